"""`netc diff`"""
