"""How good a picture is: what `vsfdat eval` and `vsfdat compare` measure and show."""
