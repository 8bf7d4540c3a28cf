"""What trips an auditor, point by point, and the tests that hold each point: `file::function`, below tests/audit.

The points are the numbered list of the auditor's specification, "what trips such a tool"; `COUNT` says how many there are.
"""

from __future__ import annotations

COUNT = 11
P, D, T, V, G, S, N, R, Y = (
    f"traps/test_traps_{name}.py::test_"
    for name in ("parsing", "dynamic", "triggers", "values", "guarantees", "switches", "input", "renames", "python")
)
SECOND = "traps/test_traps_second_parser.py::test_trap_1_"
SQL, GRAPH = "python/test_python_sql.py::test_", "python/test_python_graph.py::test_"
WRITES, ROUTINES, LIVE = "core/test_writes.py::test_", "core/test_routines.py::test_", "dynamic/test_live.py::test_"

TRAPS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {
        "types that lose a function": (f"{P}a_variable_of_any_type_does_not_lose_the_function",),
        "one function at a time": (f"{P}one_function_that_cannot_be_parsed_does_not_lose_the_others",),
        "a second parser counts the same": (
            f"{SECOND}a_second_parser_counts_the_same_statements",
            f"{SECOND}both_parsers_read_the_types_that_lose_a_function",
            f"{SECOND}a_statement_that_our_reader_loses_is_told_by_the_second",
            f"{WRITES}a_write_that_the_reader_misses_is_told_by_the_second_parser",
        ),
    },
    2: {
        "comments, INTO, PERFORM, CASE and the lines": (f"{P}lines_hold_through_into_perform_case_and_comments",),
        "the line of the verb": (f"{WRITES}lines_are_those_of_the_verb_in_the_file",),
    },
    3: {
        "expressions": (f"{P}calls_in_expressions_are_found",),
        "the target of an assignment": (f"{V}a_call_in_the_subscript_of_an_assignment_is_a_call",),
    },
    4: {
        "every way to write a text": (f"{D}a_dynamic_write_is_found_with_its_pattern", f"{WRITES}dynamic_sql_is_followed"),
        "CASE": (f"{D}both_branches_of_a_case_are_written",),
        "variables, where they stand": (
            f"{D}the_variables_value_is_that_of_the_place",
            f"{V}a_text_is_followed_through_variables_loops_and_queries",
            f"{V}a_variable_that_something_else_fills_is_not_taken_for_null",
            f"{V}a_text_that_is_null_on_every_path_is_told",
        ),
        "FOREACH": (f"{D}foreach_over_a_constant_array",),
        "a computed name is a pattern": (f"{WRITES}a_computed_name_is_a_pattern",),
        "what cannot be known is said": (f"{D}what_cannot_be_known_is_said",),
    },
    5: {
        "functions and triggers made by EXECUTE": (
            f"{D}a_function_made_by_dynamic_sql_is_read_too",
            f"{D}a_trigger_made_by_dynamic_sql_is_found",
        ),
        "cron, and schedulers of the configuration": (
            f"{D}what_runs_later_is_a_call",
            f"{D}a_write_in_a_cron_command_is_a_write",
        ),
    },
    6: {
        "a DEFAULT, dynamic too": (f"{D}a_columns_default_sets_the_state",),
        "states are inferred": (f"{D}states_are_inferred_from_checks_and_enums",),
        "the configuration decides": (f"{D}a_payload_of_the_same_name_is_no_state",),
    },
    7: {
        "locks, comments and strings": (f"{P}locks_comments_and_strings_are_no_writes",),
        "ON CONFLICT DO UPDATE": (f"{P}an_upsert_is_one_write",),
    },
    8: {
        "UPDATE OF, WHEN, DISABLE, REPLICA, early RETURN, handlers": (f"{T}a_trigger_with_a_hole_is_no_guarantee",),
        "UPDATE OF beside a BEFORE rewrite": (f"{T}a_before_trigger_rewrites_the_state_and_update_of_misses_it",),
        "session_replication_role and DISABLE on the way": (
            f"{S}triggers_that_are_switched_off_guarantee_nothing",
            f"{G}whoever_switches_triggers_off_is_found",
            f"{G}a_script_that_switches_triggers_off_for_a_while",
            f"{G}what_is_switched_on_again_fires",
        ),
        "TRUNCATE": (f"{T}truncate_fires_no_row_trigger", f"{G}a_removal_that_does_not_name_the_table_is_found"),
        "DETACH": (
            f"{T}a_removal_of_the_table_is_a_finding",
            f"{G}trap_8_a_detached_partition_loses_the_guarantee",
            f"{R}a_detached_partition_has_its_rows_still_and_the_triggers_no_more",
        ),
        "partitions and INHERITS": (
            f"{N}a_trigger_of_one_partition_guards_only_that_partition",
            f"{N}a_statement_trigger_of_the_parent_does_not_see_a_partitions_writes",
            f"{G}a_trigger_that_is_off_for_one_partition",
            f"{G}a_table_that_inherits_has_the_states_and_not_the_triggers",
        ),
        "foreign keys": (f"{T}a_cascade_removes_states", f"{S}a_foreign_key_that_sets_the_state_is_told"),
        "rules": (
            f"{T}a_rule_replaces_the_write",
            f"{N}a_do_instead_rule_hides_the_write",
            f"{G}what_takes_the_row_of_the_effect_is_seen",
        ),
        "updatable views": (f"{T}a_write_through_a_view_is_a_write_of_its_table", f"{R}a_view_s_column_is_the_state_under_another_name"),
        "SET CONSTRAINTS IMMEDIATE": (f"{G}trap_8_set_constraints_moves_a_deferred_guarantee",),
    },
    9: {
        "SQL, BEGIN ATOMIC, procedures": (f"{P}every_kind_of_body_is_read",),
        "DO": (f"{P}a_do_block_and_loose_statements_are_read",),
        "defaults": (f"{N}a_default_calls_its_function", f"{V}a_call_in_the_default_of_a_parameter_is_a_call"),
        "overloads": (
            f"{P}overloads_are_told_apart_by_their_arguments",
            "traps/test_traps_proofs.py::test_two_overloads_with_as_many_arguments_are_both_proved",
        ),
    },
    10: {
        "every way to write SQL in Python": (f"{SQL}a_write_is_found_however_it_is_written",),
        "named queries of files": (f"{SQL}named_queries_of_a_file",),
        "SQLAlchemy, Core and ORM": (f"{GRAPH}sqlalchemy_writes", f"{GRAPH}an_attribute_of_an_ordinary_class_is_no_write"),
        "noise": (f"{SQL}ordinary_words_are_no_writes",),
        "through the whole scan": (f"{Y}an_sql_function_that_skips_the_wrapper", f"{Y}a_state_that_python_writes_itself"),
    },
    11: {
        "the current version": (f"{P}the_current_version_counts", f"{ROUTINES}the_last_version_of_a_function_counts"),
        "psql, COPY data": (f"{P}files_that_are_not_only_sql", f"{N}a_dump_with_its_data"),
        "placeholders": (f"{N}placeholders_do_not_stop_the_reader",),
        "a live database": (
            f"{LIVE}our_schema_reads_the_same_from_a_database_and_from_its_files",
            f"{LIVE}every_kind_of_object_is_read",
            f"{LIVE}jobs_of_cron_are_callers",
        ),
    },
}
