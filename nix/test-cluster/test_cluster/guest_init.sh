#!/bin/busybox sh
# A guest's first program: it puts the root together and becomes systemd. /usr is the host's, /etc is in this archive,
# /var is a disk, and the rest is gone with the power.
/bin/busybox mkdir -p /proc /sys /dev /host /new
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
while read -r module; do insmod "/modules/$module.ko" || echo "init: no module $module"; done < /modules/order

mount -t virtiofs host /host
mount -t tmpfs -o mode=755 none /new
mkdir -p /new/dev /new/proc /new/sys /new/run /new/usr /new/var /new/home /new/mnt /new/opt /new/srv
mkdir -m 700 /new/root
mkdir -m 1777 /new/tmp
mount -t overlay -o ro,lowerdir=/host/kernel:/host/usr none /new/usr
for name in bin lib lib64 sbin; do ln -s "usr/$name" "/new/$name"; done
cp -a /machine/. /new/
mount -t ext4 /dev/vda /new/var
while read -r share path; do
    mkdir -p "/new$path"
    mount --bind "/host/$share" "/new$path"
done < /shares

ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
mount --move /dev /new/dev
mount --move /proc /new/proc
mount --move /sys /new/sys
exec switch_root /new /usr/lib/systemd/systemd
