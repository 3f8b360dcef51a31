"""How fast, how large and how exact: ours beside everything else that runs FDAT, in one interleaved run."""
