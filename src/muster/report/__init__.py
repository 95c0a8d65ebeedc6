"""Reports: what a run leaves behind. Everything here is made of verdicts, and contacts nothing."""
