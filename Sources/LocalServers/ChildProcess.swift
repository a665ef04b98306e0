/// Starts, signals and awaits one child process.
///
/// Each child has a thread of its own here, which spawns it and then blocks until it ends. Two reasons: the kernel ties
/// `PR_SET_PDEATHSIG` to the *thread* that spawned (prctl(2)), and a pool's thread may end while the process goes on;
/// and the wait needs no SIGCHLD handler, which would belong to the whole process.
public import Glibc
import Synchronization

/// A running or ended child.
public final class ChildProcess: Sendable {
    /// Where the child's standard output and error go.
    public enum Output: Sendable {
        /// To our own.
        case inherited
        /// Nowhere.
        case discarded
        /// Into a nameless temporary file, read by `output()`.
        case captured
        /// Appended to this file, read by `output()`.
        case file(String)
    }

    /// The child's process id, which is also its process group.
    public let processID: pid_t
    /// The program's name, for messages.
    public let name: String

    private let outputDescriptor: Int32
    /// Readable (at its end) once the child has ended.
    private let endDescriptor: Int32
    private let state: ProcessState
    private let registration: Int

    /// Starts `arguments[0]`, found on the `PATH` where it has no slash, in a process group of its own, with an empty
    /// signal mask and default signal actions.
    ///
    /// - Parameters:
    ///   - environment: what is changed in our own environment; nil removes a name.
    ///   - input: what the child reads on its standard input; at most the pages memory allows.
    ///   - diesWithUs: the signal it gets when this process dies, `TERM` for instance; needs `setpriv`. Nil leaves it
    ///     alone then. Either way it is ended when this process exits.
    ///   - endSignal: how it is ended when this process exits, where it has not been before.
    public init(
        _ arguments: [String], environment: [String: String?] = [:], workingDirectory: String? = nil,
        input: String = "", output: Output = .captured, diesWithUs: String? = "TERM",
        endSignal: Int32 = SIGKILL
    ) throws(LocalServerError) {
        var command = arguments
        // glibc's own way to change the directory in a spawned child is hidden from Swift; env(1) does it.
        if let workingDirectory { command = ["env", "-C", workingDirectory] + command }
        if let diesWithUs {
            command = [try findProgram("setpriv", package: "util-linux"), "--pdeathsig", diesWithUs, "--"] + command
        }
        name = arguments.first ?? ""
        outputDescriptor = try openOutput(output)
        let inputDescriptor = try openInput(input)
        defer { close(inputDescriptor) }
        var ends: [Int32] = [-1, -1]
        guard openPair(&ends) else { throw .cannotStart(name, reason: systemReason()) }
        endDescriptor = ends[0]
        let plan = SpawnPlan(
            arguments: command, environment: mergedEnvironment(environment), input: inputDescriptor,
            output: outputDescriptor)
        let state = ProcessState(plan: plan, endWriter: ends[1])
        self.state = state
        switch state.startThread() {
        case .success(let id): processID = id
        case .failure(let error):
            close(outputDescriptor)
            close(endDescriptor)
            throw .cannotStart(arguments.first ?? "", reason: systemReason(error.code))
        }
        registration = ProcessEnd.register(.processes) { [processID] in
            state.send(endSignal, to: processID)
            // Gone before its directory is removed; whoever does not listen is not asked twice.
            let deadline = ContinuousClock.now + .seconds(2)
            while state.status == nil, ContinuousClock.now < deadline { _ = poll(nil, 0, 2) }
            state.send(SIGKILL, to: processID)
        }
    }

    deinit {
        // The child lives on: whoever wants it ended says so, and the process's end does it at the latest.
        if outputDescriptor >= 0 { close(outputDescriptor) }
        close(endDescriptor)
    }

    /// How it ended, or nil while it runs.
    public var exitStatus: ExitStatus? { state.status }

    /// True until it has ended.
    public var isRunning: Bool { exitStatus == nil }

    /// Sends a signal to the child alone; nothing happens once it has ended.
    public func signal(_ number: Int32) {
        state.send(number, to: processID)
    }

    /// Sends a signal to the child and to those of its own children that stayed in its group.
    func signalGroup(_ number: Int32) {
        state.send(number, to: -processID)
    }

    /// Waits until it has ended, at most `limit`; nil where it still runs.
    @discardableResult
    public func wait(_ limit: Duration = .seconds(30)) -> ExitStatus? {
        let deadline = ContinuousClock.now + limit
        while exitStatus == nil {
            let left = (deadline - .now).milliseconds
            if left <= 0 { return exitStatus }
            var poll = pollfd(fd: endDescriptor, events: Int16(POLLIN), revents: 0)
            _ = Glibc.poll(&poll, 1, Int32(clamping: left))
        }
        ProcessEnd.cancel(registration)
        return exitStatus
    }

    /// Asks it to end by `signal` and, where it has not within `grace`, ends it by SIGKILL. Returns how it ended.
    @discardableResult
    public func terminate(signal number: Int32 = SIGTERM, grace: Duration = .seconds(5)) -> ExitStatus {
        signal(number)
        if let status = wait(grace) { return status }
        signal(SIGKILL)
        // SIGKILL cannot be caught; the loop only bridges the time until the kernel has carried it out.
        while true {
            if let status = wait(.seconds(1)) { return status }
        }
    }

    /// What the child has written so far, its last `limit` bytes; empty unless captured or sent to a file.
    public func output(last limit: Int = 1 << 20) -> String {
        guard outputDescriptor >= 0 else { return "" }
        return readDescriptor(outputDescriptor, last: limit)
    }

    /// Waits until the output contains `text`; false where that has not come within `limit` or the child has ended
    /// without it.
    public func waitForOutput(_ text: String, within limit: Duration = .seconds(30)) -> Bool {
        let deadline = ContinuousClock.now + limit
        while true {
            let ended = !isRunning
            if output().contains(text) { return true }
            if ended || ContinuousClock.now >= deadline { return false }
            _ = wait(.milliseconds(10))
        }
    }
}

/// What the child's thread shares with its owner.
private final class ProcessState: Sendable {
    struct SpawnError: Error { let code: Int32 }

    private enum Phase: Sendable {
        case starting
        case failed(Int32)
        case running(pid_t)
        case ended(pid_t, ExitStatus)
    }

    private let phase = Mutex(Phase.starting)
    private let plan: SpawnPlan
    /// Closed by the thread when the child has ended, or could not be started.
    private let endWriter: Int32

    init(plan: SpawnPlan, endWriter: Int32) {
        self.plan = plan
        self.endWriter = endWriter
    }

    var status: ExitStatus? {
        phase.withLock { if case .ended(_, let status) = $0 { status } else { nil } }
    }

    /// Under the lock the child is not reaped, so the id is still its own.
    func send(_ number: Int32, to id: pid_t) {
        phase.withLock { if case .running = $0 { _ = kill(id, number) } }
    }

    /// Spawns on a thread of its own and returns once that has happened.
    func startThread() -> Result<pid_t, SpawnError> {
        var started: [Int32] = [-1, -1]
        guard openPair(&started) else { return .failure(SpawnError(code: errno)) }
        defer { close(started[0]) }
        // The thread takes this reference over and releases it at its end.
        let context = Unmanaged.passRetained(ThreadContext(state: self, startedWriter: started[1]))
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, { runChildThread($0) }, context.toOpaque())
        guard code == 0 else {
            context.release()
            close(started[1])
            close(endWriter)
            return .failure(SpawnError(code: code))
        }
        pthread_detach(thread)
        var byte: UInt8 = 0
        while read(started[0], &byte, 1) < 0 && errno == EINTR {}
        return phase.withLock { phase in
            switch phase {
            case .running(let id), .ended(let id, _): .success(id)
            case .failed(let code): .failure(SpawnError(code: code))
            case .starting: .failure(SpawnError(code: ECHILD))
            }
        }
    }

    func runThread(startedWriter: Int32) {
        let result = plan.spawn()
        phase.withLock { phase in
            switch result {
            case .success(let id): phase = .running(id)
            case .failure(let error): phase = .failed(error.code)
            }
        }
        close(startedWriter)
        if case .success(let id) = result {
            var info = siginfo_t()
            while waitid(P_PID, id_t(id), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR {}
            phase.withLock { phase in
                var status: Int32 = 0
                while waitpid(id, &status, 0) < 0 && errno == EINTR {}
                phase = .ended(id, ExitStatus(waitStatus: status))
            }
        }
        close(endWriter)
    }
}

private final class ThreadContext: Sendable {
    let state: ProcessState
    let startedWriter: Int32
    init(state: ProcessState, startedWriter: Int32) {
        self.state = state
        self.startedWriter = startedWriter
    }
}

private func runChildThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    // Retained by `startThread` for this thread alone.
    guard let context else { return nil }
    let owner = Unmanaged<ThreadContext>.fromOpaque(context).takeRetainedValue()
    owner.state.runThread(startedWriter: owner.startedWriter)
    return nil
}

/// Two connected ends that no child inherits (`pipe2` is hidden from Swift).
private func openPair(_ ends: inout [Int32]) -> Bool {
    socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0
}
