# SPDX-License-Identifier: Apache-2.0
"""Takes the place of PyInstaller's own start-up script, which costs a third of a short command.

What it leaves out: ctypes (its hook finds libraries in the bundle; our loader already does), and
hooks for source lookup, pkgutil and multiprocessing children, none of which Hatchway has.
"""

import sys

# PyInstaller's importer, part of the executable; before it runs there is hardly a standard library.
import pyimod02_importers

pyimod02_importers.install()
sys.frozen = True  # what libraries ask to learn that they are in a bundle
