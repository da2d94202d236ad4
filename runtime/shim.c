// SPDX-License-Identifier: MIT
// The last step before a container's program, a program of its own: see shim.h.
//
//   shim DESCRIPTOR FILE [ARG]...
//
// Executes FILE with the arguments ARG; where that fails, writes the error number to DESCRIPTOR,
// which otherwise closes. Without any library: a page and a half to load, and nothing in it that
// could go wrong. x86-64; syscall(2).
#include <asm/unistd.h>
#include <linux/fcntl.h>

static long call(long number, long first, long second, long third) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(first), "S"(second), "d"(third)
                   : "rcx", "r11", "memory");
  return result;
}

static int parse(const char* digits) {
  if (*digits < '0' || *digits > '9') return -1;
  int number = 0;
  for (; *digits >= '0' && *digits <= '9'; ++digits) number = number * 10 + *digits - '0';
  return number;
}

// STACK as execve(2) leaves it: the number of arguments, they, NULL, the environment.
__attribute__((used, noreturn)) static void run(long* stack) {
  char** arguments = (char**)(stack + 1);
  char** environment = arguments + stack[0] + 1;
  if (stack[0] > 2) {
    const int errors = parse(arguments[0]);
    // Without the former whoever waits for the pipe's end would wait for the program's.
    long result = call(__NR_fcntl, errors, F_SETFD, FD_CLOEXEC);
    if (result == 0)
      result = call(__NR_execve, (long)arguments[1], (long)(arguments + 2), (long)environment);
    const int error = (int)-result;
    call(__NR_write, errors, (long)&error, sizeof error);
  }
  for (;;) call(__NR_exit_group, 127, 0, 0);
}

__asm__(
    ".globl _start\n"
    "_start:\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call run\n");
