"""Where each option of a config is set, told from the text of the config and its bases: nothing is run."""

from lrdecay_cli.origins.config_origins import UNKNOWN, ConfigOrigins, config_origins
from lrdecay_cli.origins.of_maps import known_origins

__all__ = ["UNKNOWN", "ConfigOrigins", "config_origins", "known_origins"]
