#!/usr/bin/env bash
# Guess: `ncwa` and `ncra`, asked for the mean of a netCDF variable of integers, write its mean.
# Truth: they compute in double and write it as the type that the variable has, without a word: the share of slots with
#        a 0/1 of type byte becomes 0 or 1, and the sum of 150 such 1 becomes -106. After `ncap2 -s 'x=double(x)'`
#        both are right.
# NCO 5.1.4 (Debian 12); its user guide, "Automatic type conversion", has the cast, but not what becomes of a share.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
mkdir -p archives/partial
apt-get update -qq
apt-get install -y -qq --no-install-recommends --download-only -o Dir::Cache::archives="$place/archives" \
  -o APT::Sandbox::User=root -o Dir::State::status=/dev/null nco=5.1.4-1+deb12u1 netcdf-bin > /dev/null
for package in archives/*.deb; do dpkg-deb --extract "$package" root; done
libraries=$(find "$place/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
tool() {
  local name=$1
  shift
  "$place"/root/lib64/ld-linux-x86-64.so.2 --library-path "$libraries" "$place/root/usr/bin/$name" "$@"
}
numbers() {
  tool ncdump "$1" | sed -n '/^data:/,$p' | grep -o '[a-z]* = [-0-9.]*' | paste -sd' '
}
{
  printf 'netcdf run {\ndimensions:\n slot = 200 ;\nvariables:\n byte up(slot) ;\n int tasks(slot) ;\ndata:\n'
  printf ' up = %s ;\n tasks = %s ;\n}\n' "$(printf '1%.0s, ' {1..150})$(printf '0, %.0s' {1..49})0" \
    "$(printf '3, %.0s' {1..120})$(printf '4, %.0s' {1..79})4"
} > run.cdl
tool ncgen -o run.nc run.cdl
tool ncwa -a slot run.nc mean.nc
tool ncwa -y ttl -a slot run.nc sum.nc
tool ncap2 -s 'up=double(up);tasks=double(tasks)' run.nc double.nc
tool ncwa -a slot double.nc mean_double.nc
tool ncwa -y ttl -a slot double.nc sum_double.nc
tool ncwa --version 2>&1 | grep -m1 -o 'version [0-9.]*' || true
echo "200 slots: up is 1 in 150 of them (byte), tasks are 3 in 120 and 4 in 80 (int)"
for file in mean sum mean_double sum_double; do echo "$file: $(numbers $file.nc)"; done
test "$(numbers mean.nc)" = "up = 1 tasks = 3"
test "$(numbers sum.nc)" = "up = -106 tasks = 680"
test "$(numbers mean_double.nc)" = "up = 0.75 tasks = 3.4"
test "$(numbers sum_double.nc)" = "up = 150 tasks = 680"
