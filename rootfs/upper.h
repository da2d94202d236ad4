// SPDX-License-Identifier: MIT
// The copy-on-write layers: one bounded tmpfs, and in it what the container's overlays lay over the
// host's files. Inside rootfs/ only.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "rootfs/host_view.h"

namespace rootfs {

/// The tmpfs for everything that the container writes, at most BYTES (0: 1 GiB or a tenth of the
/// memory, the smaller), mounted and made the working directory: names in it are then relative.
/// Its mount is nosuid, nodev, noexec, and so are binds of its directories.
base::UniqueFd enter_scratch(std::uint64_t bytes);

/// The scratch layer's bound for BYTES as given: see enter_scratch().
std::uint64_t scratch_bound(std::uint64_t bytes);

/// How many files and directories a scratch layer of BOUND bytes may hold.
std::uint64_t scratch_inodes(std::uint64_t bound);

/// A layer: the files of PATH on the host ("" is /) under changes in the directories "upperN" and
/// "workN" of the scratch. PATH's own content lies in CONTENT.
struct Layer {
  std::string path;
  std::string upper;
  std::string work;
  std::string content;
};

/// The container's root within the root layer's overlay: see upper.cpp.
inline constexpr const char* ContainerRoot = "container";

/// Makes the layers that hide what VIEW hides. The first is the root's, whose content is the
/// directory "upper0/container"; the others are VIEW.separate_mounts', in that order. Needs: the
/// scratch as working directory, umask 0.
std::vector<Layer> build_layers(const HostView& view);

/// The one layer of a --rootfs whose directory is LOWER, a descriptor. Needs: as build_layers().
Layer build_plain_layer(int lower);

/// Makes directory NAME with mode and owner of LIKE. One that is there already is left alone.
void make_directory(const std::string& name, const HostPath& like);

}  // namespace rootfs
