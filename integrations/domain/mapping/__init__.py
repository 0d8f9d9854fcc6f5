"""Mappings: SQL scalar expressions that make a destination record from a source record."""

from integrations.domain.mapping.allowlist import function_names
from integrations.domain.mapping.check import check_mapping
from integrations.domain.mapping.compile import Compiled, MappingRefused, Program, compile_mapping
from integrations.domain.mapping.model import FieldRule, FieldType, Mapping, MappingFormatError, parse_type
from integrations.domain.mapping.problems import Flaw, Problem, ProblemCode, Refused
from integrations.domain.mapping.propose import Difference, FieldChange, diff_mappings, identity_mapping

__all__ = [
    "Compiled",
    "Difference",
    "FieldChange",
    "FieldRule",
    "FieldType",
    "Flaw",
    "Mapping",
    "MappingFormatError",
    "MappingRefused",
    "Problem",
    "ProblemCode",
    "Program",
    "Refused",
    "check_mapping",
    "compile_mapping",
    "diff_mappings",
    "function_names",
    "identity_mapping",
    "parse_type",
]
