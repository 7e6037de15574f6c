from dataclasses import replace

import numpy as np
import pytest
from tests_unit_data import LABELS, MakeSet

