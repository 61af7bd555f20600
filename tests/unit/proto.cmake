rj_unit_tests(test_arena unit rj_base)
rj_unit_tests(test_buf unit rj_base)
rj_unit_tests(test_clock unit rj_base)
rj_unit_tests(test_fault unit rj_base)
rj_unit_tests(test_heap unit)
rj_unit_tests(test_json unit rj_base)
rj_unit_tests(test_log unit rj_base)
rj_unit_tests(test_offset unit rj_proto)
rj_unit_tests(test_quantity unit rj_base)
rj_unit_tests(test_reason unit rj_proto)
rj_unit_tests(test_random unit rj_base)
rj_unit_tests(test_settings unit rj_base)
rj_unit_tests(test_status unit rj_base)
rj_unit_tests(test_wire unit rj_proto)

# The heap is that of the C library only where no sanitizer brings its own: this program and what it tests are
# built without. The library comes behind rj_flags, so that its options have the last word.
add_library(rj_plain INTERFACE)
target_compile_options(rj_plain INTERFACE -fno-sanitize=all)
target_link_options(rj_plain INTERFACE -fno-sanitize=all)
target_sources(test_heap PRIVATE ${PROJECT_SOURCE_DIR}/proto/base/clock.c ${PROJECT_SOURCE_DIR}/proto/base/heap.c)
target_link_libraries(test_heap PRIVATE rj_plain)

foreach(test the_tree_keeps_the_rules a_broken_rule_is_found)
    add_test(NAME unit.test_dependencies.${test}
             COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/test_dependencies.sh ${test} ${PROJECT_SOURCE_DIR})
    set_tests_properties(unit.test_dependencies.${test} PROPERTIES LABELS unit TIMEOUT 60)
endforeach()
