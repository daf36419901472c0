# compress.cmake -- what Debian wants compressed, in the tree that becomes the package; CPack runs it before packing.
set(tree ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
file(GLOB_RECURSE pages ${tree}/*.5 ${tree}/*.8 ${tree}/changelog.Debian)
if(pages)
	execute_process(COMMAND gzip -9nf ${pages} COMMAND_ERROR_IS_FATAL ANY)
endif()
