#!/bin/busybox sh
# The page at /: who this guest is and what it was told, one fact a line.
one() { line=; read -r line < "$1" 2> /dev/null; echo "$2: ${line:-none}"; }
read -r up _ < /proc/uptime
printf 'Content-Type: text/plain\r\n\r\n'
echo "UltraCloud quickstart guest"
one /run/guest/hostname hostname
one /run/guest/address address
one /run/guest/fingerprint ssh-key
one /run/guest/user-data-result user-data
one /proc/sys/kernel/random/boot_id boot-id
echo "uptime: $up"
