#compdef noselfconn noselfconn-audit noselfconn-firewall
# SPDX-License-Identifier: MIT
# Completion for zsh, as _noselfconn in a folder of $fpath.

_noselfconn_logs() {
    _alternative 'words:destination:(stderr)' 'files:file:_files'
}

_noselfconn_ports() {
    local -a ports
    ports=(${(fu)"$(noselfconn-audit 2>/dev/null | sed -n 's/^  .*:\([0-9]*\) (.*/\1/p')"})
    _describe 'port on which a server listens' ports
}

case $service in
noselfconn)
    _arguments -S \
        '(- *)'{-h,--help}'[print a summary]' \
        '(- *)--version[print the version]' \
        '--check[say whether the command can be protected]' \
        '--force[run the command even if it cannot be protected]' \
        '--trace[look at the system calls, where no preload reaches]' \
        '--observe[let self-connections stand]' \
        '--log=[write a line for each self-connection]:destination:_noselfconn_logs' \
        '(-):command:_command_names -e' \
        '*::arguments:_normal'
    ;;
noselfconn-firewall)
    _arguments \
        '(- *)'{-h,--help}'[print a summary]' \
        '(- *)--version[print the version]' \
        ':what to do:((on\:"refuse self-connections" off\:"take the rules out" status\:"say whether the rules are on"))'
    ;;
noselfconn-audit)
    _arguments \
        '(- *)'{-h,--help}'[print a summary]' \
        '(- *)--version[print the version]' \
        '(--openmetrics --sockets)--json[print JSON]' \
        '(- *)--openmetrics[print metrics for Prometheus]' \
        '(- *)--sockets[print only what is connected to itself]' \
        '(- *)--free[print a port that no connection can take]' \
        '(- *)--processes[print which processes have the library]' \
        '*:port:_noselfconn_ports'
    ;;
esac
