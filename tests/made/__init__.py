"""What tests of several packages are made of: films, models, plugins, commands. pytest's ``pythonpath`` finds it."""
