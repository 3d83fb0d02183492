"""Rules of the product broken on purpose, and the tests that notice: `bin/mutants`."""
