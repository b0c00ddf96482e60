"""The register of condensation: one method a file, `_` in its name for `-`."""
