"""The file that comes out: codecs, their encoders, what its pictures say of themselves, and how it takes its name."""
