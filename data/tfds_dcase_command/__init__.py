"""What commands are made of: flags, help, messages and exit statuses.

It imports nothing heavy, so that a command's help appears at once.
"""
