"""Mappings: SQL scalar expressions that make a destination record from a source record."""

from integrations.domain.mapping.allowlist import function_names
from integrations.domain.mapping.check import check_mapping
from integrations.domain.mapping.compile import (
    Compiled,
    MappingProblemsError,
    Program,
    compile_expression,
    compile_mapping,
    sql_type,
)
from integrations.domain.mapping.model import FieldRule, FieldType, Mapping, MappingFormatError, parse_type
from integrations.domain.mapping.problems import ExpressionError, Flaw, Problem, ProblemCode
from integrations.domain.mapping.propose import Difference, FieldChange, diff_mappings, identity_mapping

__all__ = [
    "Compiled",
    "Difference",
    "ExpressionError",
    "FieldChange",
    "FieldRule",
    "FieldType",
    "Flaw",
    "Mapping",
    "MappingFormatError",
    "MappingProblemsError",
    "Problem",
    "ProblemCode",
    "Program",
    "check_mapping",
    "compile_expression",
    "compile_mapping",
    "diff_mappings",
    "function_names",
    "identity_mapping",
    "parse_type",
    "sql_type",
]
