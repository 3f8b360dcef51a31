"""How the embedded models were made, so that anyone can make them again."""
