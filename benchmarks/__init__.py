"""Measurements that developers run; nothing here is installed on a Space."""
