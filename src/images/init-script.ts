// What runs in the guest as process 1, and its DHCP hook: busybox shell, nothing else. Process 1 turns busybox's
// signals into the real thing, so that `poweroff`, `reboot` and `halt` work as anywhere else.

/**
 * Kernel command line words it knows: `ringfence.ip=ADDRESS/PREFIX` (a fixed address on eth0, instead of DHCP) and
 * `ringfence.quiet` (no greeting).
 */
export const INIT_SCRIPT = `#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM=linux
/bin/busybox mount -t devtmpfs dev /dev 2>/dev/null
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox --install -s /bin
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts 2>/dev/null
mount -t tmpfs tmpfs /dev/shm 2>/dev/null
mount -t tmpfs tmpfs /tmp 2>/dev/null
mount -t tmpfs tmpfs /run 2>/dev/null

release=$(uname -r)
while read -r module; do
  file=/lib/modules/$release/$module
  if [ ! -e $file ]; then break; fi
  insmod $file || echo "init: $module was not loaded"
done < /etc/modules

address= quiet=
for word in $(cat /proc/cmdline); do
  case $word in
    ringfence.ip=*) address=\${word#*=} ;;
    ringfence.quiet) quiet=1 ;;
  esac
done
hostname ringfence
if [ -e /sys/class/net/lo ]; then ip link set lo up; fi
if [ -e /sys/class/net/eth0 ]; then
  ip link set eth0 up
  if [ -n "$address" ]; then ip addr add $address dev eth0
  else udhcpc -i eth0 -s /etc/udhcpc.script -n -q -t 3 -T 1 >/dev/null 2>&1 || echo "init: no DHCP answer on eth0"
  fi
fi

trap 'sync; poweroff -f' USR2
trap 'sync; halt -f' USR1
trap 'sync; reboot -f' TERM
console=$(cat /sys/class/tty/console/active 2>/dev/null)
console=\${console##* }
if [ ! -c "/dev/$console" ]; then console=console; fi
if [ -z "$quiet" ]; then
  echo
  echo "Linux $release on $(nproc) CPU(s). Leave the shell or say poweroff to switch the machine off."
fi
cd /root
setsid -c sh -l <>/dev/$console >&0 2>&1 &
wait $!
sync
poweroff -f
`;

export const UDHCPC_SCRIPT = `#!/bin/sh
case $1 in
  deconfig) ip addr flush dev $interface ;;
  bound|renew)
    ip addr add $ip/\${mask:-24} dev $interface
    if [ -n "$router" ]; then ip route add default via \${router%% *} dev $interface; fi
    : > /etc/resolv.conf
    for server in $dns; do echo "nameserver $server" >> /etc/resolv.conf; done
    ;;
esac
`;
