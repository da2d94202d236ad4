// SPDX-License-Identifier: MIT
// The kernel's windows in a container: /proc, /sys, /dev. Inside rootfs/ only.
#pragma once

#include <array>

namespace rootfs {

/// Names below /proc that can be read but not written: through them root of a container without any
/// capability could change the host (core_pattern, sysrq).
inline constexpr std::array ReadOnlyProc = {"bus", "fs", "irq", "sys", "sysrq-trigger"};

/// Names below /proc, of files and directories, that tell about the host: shown empty (Docker's
/// list). A kernel has only some of them.
inline constexpr std::array MaskedProcFiles = {
    "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "timer_list", "timer_stats"};
inline constexpr std::array MaskedProcDirectories = {"acpi", "asound", "scsi"};
inline constexpr std::array MaskedSys = {"firmware", "devices/virtual/powercap"};

/// The devices that a program may expect and that give nothing away; number: see null(4),
/// random(4).
struct Device {
  const char* name;
  unsigned major;
  unsigned minor;
};
inline constexpr std::array Devices = {Device{"null", 1, 3},    Device{"zero", 1, 5},
                                       Device{"full", 1, 7},    Device{"random", 1, 8},
                                       Device{"urandom", 1, 9}, Device{"tty", 5, 0}};

struct Link {
  const char* name;
  const char* target;
};
inline constexpr std::array DeviceLinks = {
    Link{"fd", "/proc/self/fd"},       Link{"stdin", "/proc/self/fd/0"},
    Link{"stdout", "/proc/self/fd/1"}, Link{"stderr", "/proc/self/fd/2"},
    Link{"ptmx", "pts/ptmx"},          Link{"core", "/proc/kcore"}};

/// Makes the directory "dev" of the scratch (files to mount on, links, pts, shm, mqueue) and the
/// directory "empty". Needs: the scratch as working directory, umask 0.
void prepare_system_mounts();

/// Mounts /proc, /sys and /dev on ROOT, with what is read-only or masked in them. SCRATCH is the
/// prepared scratch. Changes the working directory.
/// Needs: the host's /proc and /dev to be there still; new pid, net and ipc namespaces (or what is
/// mounted shows the host's).
void mount_system(int root, int scratch);

}  // namespace rootfs
