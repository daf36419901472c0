# man.cmake -- the man pages, where scdoc is.  Those of the two files are made from the program's own tables.
find_program(SCDOC scdoc)
find_program(AWK awk)
if(NOT SCDOC OR NOT AWK)
	return()
endif()

foreach(page portcullis.8 portcullis.yaml.5 portcullis-policy.5)
	set(source ${PROJECT_SOURCE_DIR}/packaging/man/${page}.scd)
	set(script ${PROJECT_SOURCE_DIR}/packaging/man/page.awk)
	set(man_page ${PROJECT_BINARY_DIR}/man/${page})
	add_custom_command(OUTPUT ${man_page} DEPENDS ${source} ${script} portcullis VERBATIM
		COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/man
		COMMAND sh -c "'${AWK}' -v 'program=$<TARGET_FILE:portcullis>' -f '${script}' '${source}' > '${man_page}.scd'"
		COMMAND sh -c "'${SCDOC}' < '${man_page}.scd' > '${man_page}'")
	list(APPEND man_pages ${man_page})
	string(REGEX MATCH "[0-9]$" section ${page})
	# Not there when only the programs were built.
	install(FILES ${man_page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} OPTIONAL)
endforeach()
add_custom_target(man ALL DEPENDS ${man_pages})
