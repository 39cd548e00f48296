"""DECNET TTP: what honeypots record, as MITRE ATT&CK techniques with confidence and evidence."""

__version__ = "0.1.0"
