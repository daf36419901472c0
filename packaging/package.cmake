# package.cmake -- the Debian package: cmake --build build/release --target package
#
# What `cmake --install` puts in place, and in the component "debian" what only a package may: configuration in
# /etc, the service, user ids.  Names of the files under packaging/deb are those of Debian's control archive.
set(deb ${PROJECT_SOURCE_DIR}/packaging/deb)
set(systemd ${PROJECT_SOURCE_DIR}/packaging/systemd)

install(FILES ${deb}/portcullis.yaml DESTINATION /etc/portcullis COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES policies/default.yaml DESTINATION /etc/portcullis/policies COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${deb}/logrotate DESTINATION /etc/logrotate.d RENAME portcullis COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${systemd}/portcullis.service ${systemd}/portcullis.socket
	DESTINATION lib/systemd/system COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${systemd}/portcullis.sysusers
	DESTINATION lib/sysusers.d RENAME portcullis.conf COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES packaging/completion.bash
	DESTINATION share/bash-completion/completions RENAME portcullis COMPONENT debian EXCLUDE_FROM_ALL)
install(DIRECTORY DESTINATION /var/log/portcullis COMPONENT debian EXCLUDE_FROM_ALL)
install(DIRECTORY DESTINATION /var/lib/portcullis COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${deb}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${deb}/changelog
	DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME changelog.Debian COMPONENT debian EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME portcullis)
set(CPACK_PACKAGE_CONTACT "Portcullis maintainers <maintainers@portcullis.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "security gateway in front of web servers")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Portcullis terminates TLS, judges every request by one policy file and
passes on only what that policy lets through: rules, countries, rate limits
shared through Redis, and the OWASP Core Rule Set, which runs in processes
that hold no key. Each request leaves one line that says what was decided
and why.
.
Its installation starts nothing: name your web server in
/etc/portcullis/portcullis.yaml, then systemctl enable --now portcullis.")
set(CPACK_DEBIAN_PACKAGE_SECTION httpd)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# The rules, and what the certificate of the installation is made with.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "modsecurity-crs, openssl")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates, logrotate")
# Not recommended: it depends on tor, and a gateway is not to become a Tor client by installing it.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "redis-server, tor-geoipdb")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${deb}/postinst ${deb}/prerm ${deb}/postrm ${deb}/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PRE_BUILD_SCRIPTS ${deb}/compress.cmake)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
	GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
# Paths under /etc and /var are meant as they are.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL Unspecified debian)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
include(CPack)
