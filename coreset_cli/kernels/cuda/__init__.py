"""Chains of picks that stay on a device: the host asks for many, and hears of them afterwards."""
