"""What every room of the simulator stands on: arrays, compiled loops, random streams, the clock."""
