"""The digital twin: synchronisation, prediction, deviation."""
