// SPDX-License-Identifier: MIT
// Places where a test may kill. In the test build (-DTEST_POINTS=ON) the environment says where and
// whom; in every other build there is nothing here.
//
//   MINI_RUN_POINTS=FILE             each point that is passed is a line of FILE: ROLE POINT#N
//   MINI_RUN_KILL=TARGET@ROLE POINT#N   when ROLE passes POINT for the Nth time, TARGET is killed:
//                                    itself, init or cli (the command that was typed, with -d)
#pragma once

#include <sys/types.h>

namespace base {

#ifdef MINI_RUN_TEST_POINTS
/// Must not be called before main().
void test_point(const char* point) noexcept;
/// This process is ROLE from now on, and was "mini-run" before.
void test_role(const char* role) noexcept;
/// The pid of the container's process 1, as this process sees it.
void test_init_is(pid_t pid) noexcept;
#else
inline void test_point(const char* /*point*/) noexcept {}
inline void test_role(const char* /*role*/) noexcept {}
inline void test_init_is(pid_t /*pid*/) noexcept {}
#endif

}  // namespace base
