# SPDX-License-Identifier: Apache-2.0
"""From Lathe's progress (a phase and the share done) to an IProgressMonitor's nested phases."""
_STEPS = 100
_ROOT = "Building engine"


class Progress:
    """The callable that a build reports to. `finish` ends the phases that are open."""

    def __init__(self, monitor, engines):
        self._monitor, self._engines, self._built = monitor, engines, 0
        self._phase, self._step = None, -1
        monitor.phase_start(_ROOT, None, engines)

    def __call__(self, phase, done):
        if phase != self._phase:
            self._end_phase()
            self._phase, self._step = phase, -1
            self._monitor.phase_start(phase, _ROOT, _STEPS)
        step = min(_STEPS - 1, int(done * _STEPS))
        if step > self._step:
            self._step = step
            return self._monitor.step_complete(phase, step) is not False
        return True

    def _end_phase(self):
        if self._phase is not None:
            self._monitor.phase_finish(self._phase)
            self._phase = None

    def engine_done(self):
        """One profile's engine is built; False: stop."""
        self._end_phase()
        self._built += 1
        return self._monitor.step_complete(_ROOT, self._built - 1) is not False

    def finish(self):
        """The build ends, however it went."""
        self._end_phase()
        self._monitor.phase_finish(_ROOT)
