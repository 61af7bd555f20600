# The store runs its own thread: these tests are worth most under TSan too.
foreach(test test_layout test_store test_store_model)
    rj_unit_tests(${test} unit rj_storage)
endforeach()
