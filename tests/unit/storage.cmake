# These look at the tables behind the store's back: hence LMDB.
foreach(test test_inspect test_layout test_store test_store_damage test_store_index test_store_index_damage test_store_retention)
    rj_unit_tests(${test} unit rj_storage PkgConfig::LMDB)
endforeach()
add_library(rj_test_store_model STATIC store_model.c store_model_read.c store_model_write.c)
target_link_libraries(rj_test_store_model PUBLIC rj_storage PkgConfig::LMDB PkgConfig::CMOCKA)
rj_unit_tests(test_store_model unit rj_test_store_model rj_storage)
# Failing disks: the calls below LMDB are the test's.
rj_unit_tests(test_store_faults unit rj_crash_store rj_crash_disk rj_storage PkgConfig::LMDB)
get_property(fault_tests DIRECTORY PROPERTY TESTS)
list(FILTER fault_tests INCLUDE REGEX "test_store_faults")
set_tests_properties(${fault_tests} PROPERTIES LABELS unit)
