"""The stream problem (paper A): bits queued at devices and stations, over OFDMA cells."""
