"""The version of Muster: to look it up in what pip has installed takes two milliseconds of each start."""

VERSION = "0.1.0"
