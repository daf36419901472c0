# targets.cmake -- the fuzz targets and what each is linked with; PORTCULLIS_FUZZ includes it.

if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
	message(FATAL_ERROR "PORTCULLIS_FUZZ needs clang: CC=clang CXX=clang++ cmake ...")
endif()
add_custom_target(fuzz)

# fuzz(NAME [DICT name] [WRAP symbol ...] NEEDS lib ...): tests/fuzz/NAME.c with libFuzzer, its dictionary beside it.
function(fuzz name)
	cmake_parse_arguments(F "" "DICT" "WRAP;NEEDS" ${ARGN})
	set(folder ${PROJECT_BINARY_DIR}/fuzz)
	add_executable(fuzz_${name} tests/fuzz/${name}.c)
	target_link_libraries(fuzz_${name} PRIVATE ${F_NEEDS})
	target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
	set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${folder} OUTPUT_NAME ${name})
	foreach(symbol ${F_WRAP})
		target_link_options(fuzz_${name} PRIVATE -Wl,--wrap=${symbol})
	endforeach()
	if(F_DICT)
		configure_file(tests/fuzz/${F_DICT}.dict ${folder}/${name}.dict COPYONLY)
	endif()
	add_dependencies(fuzz fuzz_${name})
endfunction()

# ---- What comes over a client's or an origin's connection ----
fuzz(h1_request DICT h1 NEEDS http)
fuzz(h1_response DICT h1 NEEDS http)
fuzz(h1_chunks DICT h1 NEEDS http)
fuzz(h2_request NEEDS http)
fuzz(h2_response NEEDS http)
fuzz(range DICT h1 NEEDS http)
fuzz(traceparent NEEDS http)
fuzz(target DICT h1 NEEDS http)
fuzz(authority NEEDS http)
fuzz(fields DICT h1 NEEDS http)
fuzz(cookies DICT h1 NEEDS http)
fuzz(mask DICT mask NEEDS http)
fuzz(proxy_header DICT proxy_header NEEDS http)
fuzz(tls_hello NEEDS tls)

# ---- Base and policy values ----
fuzz(addr NEEDS base)
fuzz(text NEEDS policies)
fuzz(args NEEDS policies)

# ---- Content ----
pkg_check_modules(LIBXML REQUIRED IMPORTED_TARGET libxml-2.0)
fuzz(media NEEDS waf)
fuzz(json_body DICT json NEEDS waf PkgConfig::JANSSON)
fuzz(xml_body DICT xml NEEDS waf PkgConfig::LIBXML)
fuzz(multipart DICT multipart NEEDS waf)
fuzz(extras DICT json NEEDS waf PkgConfig::JANSSON)

# ---- What goes out: logs, metrics; what comes from Redis and from files ----
fuzz(log_line NEEDS base)
fuzz(log_json NEEDS base PkgConfig::JANSSON)
fuzz(redact NEEDS engine)
fuzz(metrics NEEDS admin PkgConfig::JANSSON)
fuzz(redis_reply DICT redis NEEDS redis)
fuzz(zone NEEDS policies)

# ---- Between our processes ----
fuzz(waf_job NEEDS waf)
fuzz(waf_answer NEEDS waf)
fuzz(plan DICT plan NEEDS waf)
fuzz(kept NEEDS engine)
fuzz(coding NEEDS engine)
fuzz(control NEEDS proc)
fuzz(inspector NEEDS engine)
fuzz(pool NEEDS rules)
fuzz(mmdb NEEDS geoip)

# ---- Files of the operator's ----
fuzz(yaml DICT yaml NEEDS base)
fuzz(expr_model NEEDS policies)
fuzz(expr_text DICT expr NEEDS policies)
fuzz(policy DICT policy NEEDS policies)
fuzz(bundle DICT bundle NEEDS waf)
fuzz(config DICT config WRAP getaddrinfo freeaddrinfo NEEDS config)

# ---- Parts of the data path ----
fuzz(forwarded DICT forwarded NEEDS proxy)
fuzz(record NEEDS proxy PkgConfig::JANSSON)
fuzz(admin DICT h1 NEEDS admin)
fuzz(whole DICT h1 NEEDS proxy)
fuzz(h2_session NEEDS proxy)
