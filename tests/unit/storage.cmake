# These look at the tables behind the store's back: hence LMDB.
foreach(test test_inspect test_layout test_store test_store_index test_store_model)
    rj_unit_tests(${test} unit rj_storage PkgConfig::LMDB)
endforeach()
