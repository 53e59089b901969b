"""Find conflicts between installed packages, from their own requirements and from a list of known conflicts."""

from __future__ import annotations

from collections.abc import Iterator

from lrdecay_cli.doctor import commands
from lrdecay_cli.doctor.known import LIBRARIES, OPTIONALS, PAIRS, PROVIDERS, SHARED
from lrdecay_cli.doctor.survey import Survey, public
from lrdecay_cli.doctor.versions import asserted_ranges, common_range, release, satisfies
from lrdecay_cli.domain.diagnosis import Issue, Need
from lrdecay_cli.files.packages import MMCV_RANGE, fitting_torchvision
from lrdecay_cli.text.counting import listed, verb

_ORDER = ("error", "warning", "info")


def issues(found: Survey) -> tuple[Issue, ...]:
    """Return all problems of an environment, the worst first. Problems with the same fix are reported once."""
    problems = [*_absent(found), *_orphans(found), *_asserted(found), *_known(found), *_torchvision(found)]
    broken = {issue.package for issue in problems if issue.severity == "error"}
    # The fix of a distribution error also removes these problems.
    problems += [issue for issue in _two_in_one_folder(found) if issue.package not in broken]
    problems += [*_no_pkg_resources(found), *_no_operators(found)]
    worst: dict[tuple[str, str | None], int] = {}
    for issue in problems:
        cause = (issue.package, issue.command)
        worst[cause] = min(worst.get(cause, len(_ORDER)), _ORDER.index(issue.severity))
    # A problem whose fix is part of a worse problem's fix needs no line of its own.
    kept = (
        each for each in dict.fromkeys(problems) if _ORDER.index(each.severity) == worst[each.package, each.command]
    )
    return tuple(sorted(kept, key=lambda issue: _ORDER.index(issue.severity)))


def needs(found: Survey) -> tuple[Need, ...]:
    """Return missing packages without which some configs of an installed zoo cannot be built."""
    return tuple(
        Need(known.package, known.zoo, known.folders, known.which, commands.install(found, known.install))
        for known in OPTIONALS
        if known.zoo in found and known.package not in found and satisfies(found.version(known.zoo), known.versions)
    )


def _absent(found: Survey) -> Iterator[Issue]:
    libraries = [name for name in LIBRARIES if name in found]
    wanted = ["torch", "mmengine", *(["mmcv"] if not libraries or {"mmdet", "mmpretrain"} & {*libraries} else [])]
    absent = [name for name in wanted if name not in found and name not in found.orphans]
    if not libraries:
        absent.append("mmdet")
    if not absent:
        return
    if "torch" in absent:
        command = commands.complete_stack(found)
    else:
        requirements = {"mmcv": f"mmcv-lite{_mmcv_range(found)}", "mmdet": "mmdet>=3.3.0"}
        command = commands.install(found, *(requirements.get(name, name) for name in absent))
    problem = f"{listed(absent)} {verb(len(absent), 'is', 'are')} not installed"
    yield Issue("error", absent[0], problem, "no config can be inspected", command)


def _mmcv_range(found: Survey) -> str:
    ranges = [asserted_ranges(found, name).get("mmcv", "") for name in LIBRARIES if name in found]
    return common_range(*ranges) or MMCV_RANGE


def _orphans(found: Survey) -> Iterator[Issue]:
    for name, recorded in found.orphans.items():
        if name != "pkg_resources":
            problem = f"{recorded[0]} is recorded as installed, but the package {name} is missing"
            command = commands.change(recorded[0].replace(" ", "=="), "--force-reinstall")
            yield Issue(
                "error",
                name,
                problem,
                "the files of the package were removed, or overwritten by another package",
                command,
            )


def _asserted(found: Survey) -> Iterator[Issue]:
    for library in LIBRARIES:
        if library not in found:
            continue
        for package, within in asserted_ranges(found, library).items():
            if package in found and not satisfies(found.version(package), within):
                command = commands.mmcv(found, _mmcv_range(found)) if package == "mmcv" else None
                yield Issue(
                    "error",
                    package,
                    f"{package} {found.version(package)} is incompatible with {library} {found.version(library)} "
                    f"(needs {within})",
                    f"{library} cannot be imported",
                    command or commands.exchange(found, package, f"{commands.usual(found, package)}{within}"),
                )


def _known(found: Survey) -> Iterator[Issue]:
    for pair in PAIRS:
        if not (pair.package in found and pair.other in found and (pair.only_with or "python") in found):
            continue
        version = found.version(pair.other)
        if satisfies(found.version(pair.package), pair.versions) and not satisfies(version, pair.fits):
            beside = f" is incompatible with {pair.package} {found.version(pair.package)}"
            problem = f"{pair.other} {version}{'' if pair.package == pair.other else beside} (needs {pair.fits})"
            requirement = (pair.install or "").format(distribution=commands.usual(found, pair.other))
            command: str | None
            if pair.install is None:
                command = None if pair.package == "python" else commands.complete_stack(found)
            elif pair.other in SHARED:
                command = commands.exchange(found, pair.other, requirement)
            elif pair.other == "transformers":
                # It pins its own dependencies (tokenizers, huggingface_hub), which have to change with it.
                command = commands.install(found, requirement)
            else:
                command = commands.change(requirement)
            yield Issue(pair.severity, pair.other, problem, pair.why, command)


def _torchvision(found: Survey) -> Iterator[Issue]:
    torch = found.version("torch")
    if torch is None:
        return
    if "torchvision" not in found:
        if "mmpretrain" in found:
            why = "mmpretrain cannot be imported without torchvision"
            yield Issue("error", "torchvision", "torchvision is not installed", why, commands.torchvision(found))
        return
    version = found.version("torchvision")
    stubbed = "torchvision's operators do not load, so lrdecay uses stubs: groups are correct, but training fails"
    required = release(found.requirement("torchvision", "torch").lstrip("= "))[:2]
    series = fitting_torchvision(torch).removeprefix("torchvision")
    # A difference in the patch version alone is harmless.
    if release(torch)[:2] != required if required else not satisfies(version, series):
        made_for = f"torch {'.'.join(map(str, required))}" if required else "another torch"
        problem = f"torchvision {version} is made for {made_for}, not for {torch}"
        yield Issue("warning", "torchvision", problem, stubbed, commands.torchvision(found))
        return
    builds = [found.packages[name].build for name in ("torch", "torchvision")]
    # Compare the builds only if both packages record them.
    if None not in builds and builds[0] != builds[1]:
        problem = f"torchvision {version} and torch {torch} are built for different devices"
        yield Issue("info", "torchvision", problem, stubbed, commands.same_torchvision(found))


def _two_in_one_folder(found: Survey) -> Iterator[Issue]:
    for name in SHARED:
        package = found.packages.get(name)
        if package is None or len(package.distributions) < 2:
            continue
        yield Issue(
            "warning",
            name,
            f"{' and '.join(package.distributions)} are both installed and share the folder {name}",
            f"Python imports version {package.version}; removing or updating either of them breaks the package",
            f"pip uninstall -y {' '.join(commands.distributions(found, name))} && {_again(found, name)}",
        )


def _again(found: Survey, name: str) -> str:
    """Return the command that reinstalls a package after two distributions in its folder were removed.

    The command installs the version that Python imports now.
    """
    package = found.packages[name]
    version = public(package.version or "")
    fitting = [each.split()[0] for each in package.distributions if each.split()[1] == version]
    keep = next(iter(fitting or commands.distributions(found, name)))
    if name == "mmcv" and keep in PROVIDERS[name]:
        # Both have the same files except for the operators.
        keep = "mmcv" if package.operators else "mmcv-lite"
    return commands.change(f"{keep}=={version}", commands.mmcv_index(found) if keep == "mmcv" else "")


def _no_pkg_resources(found: Survey) -> Iterator[Issue]:
    if "mmengine" in found and "pkg_resources" not in found:
        recorded = found.orphans.get("pkg_resources")
        problem = f"{recorded[0]} has no pkg_resources" if recorded else "setuptools is not installed"
        why = "configs with a _base_ in another package's zoo (mmdet::...) do not load"
        yield Issue("warning", "pkg_resources", problem, why, commands.change("setuptools<81"))


def _no_operators(found: Survey) -> Iterator[Issue]:
    package = found.packages.get("mmcv")
    if package is not None and package.operators is False:
        name = package.distributions[0] if package.distributions else f"mmcv {package.version}"
        why = "lrdecay uses stubs: groups are correct, but training a detector that needs compiled operators fails"
        yield Issue("info", "mmcv", f"{name} has no compiled operators", why, None)
