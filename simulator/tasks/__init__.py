"""The task problem (paper C): one task per device and slot, over an MRC uplink."""
