// SPDX-License-Identifier: MIT
// System calls by name: their numbers in each ABI of this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace runtime {

/// A numbering of the system calls: x86-64 programs can also make i386 calls (int $0x80) and, on
/// some kernels, x32 calls, and a filter that knows one numbering only is open in the others.
struct Abi {
  std::string_view name;      // as profiles write it: SCMP_ARCH_*
  std::uint32_t audit = 0;    // AUDIT_ARCH_*, what the kernel tells the filter
  std::uint32_t library = 0;  // SCMP_ARCH_*, for libseccomp's tables
  std::uint32_t first = 0;    // the lowest number: x32 shares x86-64's AUDIT_ARCH and sets bit 30
};

/// The ABI that profiles call NAME, or nothing where this machine has none of the kind.
std::optional<Abi> find_abi(std::string_view name);
/// Every ABI of this machine: the one of this program first, those with one AUDIT_ARCH together
/// and ascending.
std::span<const Abi> all_abis();
/// The native architecture as docker writes it in includes and excludes: "amd64".
std::string_view native_architecture();

/// The number of the call NAME in ABI, or nothing where it has no such call.
std::optional<std::uint32_t> syscall_number(const Abi& abi, const std::string& name);

}  // namespace runtime
