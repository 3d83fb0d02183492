"""The subcommands of ``swift-s3-ctl``, a module each.

A module has ``NAME``, ``HELP``, ``arguments(parser)``, and ``run(node, options, output)``, which returns the
exit code and may raise SyncError. Its name stands in ``s3_sync.admin.main.COMMANDS``.
"""
