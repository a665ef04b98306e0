/// `drover serve --workers N`: a process that serves nobody itself. It opens the listening sockets and keeps them, so that
/// no connection is refused whatever happens to those who accept; it starts the workers, starts again whoever ends, passes
/// the end on to all, and replaces them one by one on SIGHUP. What it decides is `WorkerPlan`'s; here it is done.
import EventLoop
import Foundation
public import Logging
import WebServer

/// See the file's head. Lives on the thread that calls `run`.
public final class Supervisor {
    /// A worker's process.
    private struct Worker {
        var process: pid_t = 0
        var channel: WorkerChannel?
    }

    private let configuration: Configuration
    private let log: Logger
    private let load: () throws -> Configuration
    private let loop = EventLoop()
    private let program = WorkerProgram()
    private let sockets: ListeningSockets
    private var plan: WorkerPlan
    private var workers: [Worker]
    private var signals: [LoopSignal] = []
    private var timer: LoopTimer?
    private var exitCode: Int32 = 0

    /// Opens the sockets. Throws what keeps the gateway from starting, each with what to do. `load` reads the configuration
    /// anew, as the workers will.
    public init(_ configuration: Configuration, log: Logger, load: @escaping () throws -> Configuration) throws {
        self.configuration = configuration
        self.log = log
        self.load = load
        try configuration.checkForStart()
        let count = configuration.workerCount
        let listen = try configuration.listenAddress()
        sockets = try ListeningSockets(address: listen.address, port: listen.port, count: count)
        plan = WorkerPlan(count: count)
        workers = Array(repeating: Worker(), count: count)
        GatewayProcess.prepareProcess()
        let handlers: [(Int32, () -> Void)] = [
            (SIGTERM, { [unowned self] in terminate() }), (SIGINT, { [unowned self] in terminate() }),
            (SIGHUP, { [unowned self] in reload() }), (SIGCHLD, { [unowned self] in reap() }),
        ]
        signals = handlers.map { LoopSignal(loop: loop, number: $0, $1) }
        timer = LoopTimer(loop: loop) { [unowned self] in tick() }
    }

    /// Serves until it is told to end; returns the exit code.
    public func run() -> Int32 {
        log.info("starting workers", metadata: ["workers": "\(workers.count)"])
        tick()
        loop.run()
        log.info("stopped", metadata: ["exit_code": "\(exitCode)"])
        return exitCode
    }

    private var now: Int64 { SystemClock.monotonicMicroseconds() / 1_000 }

    // MARK: Events

    private func tick() {
        perform(plan.tick(now: now))
    }

    private func terminate() {
        log.notice(plan.isEnding ? "second signal: ending at once" : "stopping")
        perform(plan.terminate(now: now))
    }

    /// Replaces the workers where the configuration that they will read can be served.
    private func reload() {
        guard !plan.isEnding else { return }
        do {
            let next = try load()
            try next.checkForStart()
            try configuration.checkReplacement(next)
        } catch {
            log.error("SIGHUP: the configuration is refused, nothing changes", metadata: ["reason": "\(error)"])
            return
        }
        log.notice("replacing the workers, one after the other")
        perform(plan.roll(all: now))
    }

    /// Somebody has ended.
    private func reap() {
        for number in workers.indices where workers[number].process > 0 {
            var status: Int32 = 0
            guard waitpid(workers[number].process, &status, WNOHANG) == workers[number].process else { continue }
            ended(number, WorkerExit(waitStatus: status))
        }
    }

    private func ended(_ number: Int, _ exit: WorkerExit) {
        let process = workers[number].process
        workers[number].channel?.close()
        workers[number] = Worker()
        // EX_IOERR: what `drover serve` ends with where its journal failed.
        let level: Logger.Level = exit == .code(0) ? .info : exit == .code(74) ? .critical : .warning
        log.log(
            level: level, exit == .code(74) ? "a worker ended because its journal failed" : "a worker ended",
            metadata: ["worker": "\(number)", "process": "\(process)", "by": "\(exit)"])
        perform(plan.ended(number, exit, now: now, chance: .random(in: 0...1)))
    }

    private func received(_ message: WorkerMessage, from number: Int) {
        switch message {
        case .ready:
            log.info("a worker is ready", metadata: ["worker": "\(number)"])
            perform(plan.ready(number, now: now))
        case .stopping: perform(plan.stopping(number, now: now))
        case .question, .answer: break
        case .accept, .leave: break
        }
    }

    // MARK: Actions

    private func perform(_ actions: [WorkerPlan.Action]) {
        for action in actions { perform(action) }
        guard let due = plan.nextDue else { return timer?.stop() ?? () }
        timer?.start(afterMilliseconds: max(0, Int(clamping: due == .min ? 0 : due - now)))
    }

    private func perform(_ action: WorkerPlan.Action) {
        switch action {
        case .start(let number): start(number)
        case .terminate(let number): signal(SIGTERM, number)
        case .kill(let number): signal(SIGKILL, number)
        case .accept(let worker, let socket): workers[worker].channel?.send(.accept(socket))
        case .leave(let worker, let socket): workers[worker].channel?.send(.leave(socket))
        case .announce:
            log.info(
                "listening",
                metadata: [
                    "address": "\(configuration.listen)", "port": "\(sockets.port)", "workers": "\(workers.count)",
                ])
        case .tellRestart(let worker, let milliseconds):
            log.notice(
                "it is started again", metadata: ["worker": "\(worker)", "within_ms": "\(milliseconds)"])
        case .tellRolled: log.notice("all workers were replaced")
        case .tellRollHalted(let worker):
            log.error(
                "the new worker did not start; the others are left as they are",
                metadata: ["worker": "\(worker)"])
        case .tellGivenUp(let worker):
            log.critical(
                "a worker does not start; its own lines above say why", metadata: ["worker": "\(worker)"])
        case .exit(let code): end(code)
        }
    }

    private func start(_ number: Int) {
        guard let (ours, theirs) = WorkerChannel.pair() else { return failed(number) }
        let seat = WorkerSeat(
            number: number, count: workers.count, channel: theirs, sockets: sockets.descriptors)
        let process = program.spawn(seat)
        let reason = String(cString: strerror(errno))
        close(theirs)
        guard let process else {
            close(ours)
            log.error("cannot start \(program.path)", metadata: ["reason": "\(reason)"])
            return failed(number)
        }
        workers[number].process = process
        do throws(EventLoopError) {
            workers[number].channel = try WorkerChannel(loop: loop, descriptor: ours) { [unowned self] message in
                received(message, from: number)
            } ended: { [unowned self] in
                workers[number].channel = nil
            }
        } catch {
            // Without its channel it ends by itself.
            close(ours)
        }
        log.info("a worker starts", metadata: ["worker": "\(number)", "process": "\(process)"])
    }

    /// No process came about: it is as if it had ended at once, but not before those who wait for its start are done.
    private func failed(_ number: Int) {
        let later = LoopTimer(loop: loop) { [unowned self] in ended(number, .code(71)) }
        later.start(afterMilliseconds: 0)
        spawnFailures[number]?.close()
        spawnFailures[number] = later
    }

    private var spawnFailures: [Int: LoopTimer] = [:]

    private func signal(_ signal: Int32, _ number: Int) {
        if workers[number].process > 0 { kill(workers[number].process, signal) }
    }

    private func end(_ code: Int32) {
        exitCode = code
        timer?.close()
        for signal in signals { signal.close() }
        for timer in spawnFailures.values { timer.close() }
        for descriptor in sockets.descriptors { close(descriptor) }
        loop.stop()
    }
}

extension Configuration {
    /// What can be told of a configuration without starting anything: throws what a gateway would not start with.
    func checkForStart() throws {
        _ = try web()
        _ = try OrderSettings(self)
    }

    /// Throws where workers cannot go over to `next` one by one.
    func checkReplacement(_ next: Configuration) throws {
        for (name, isSame) in [
            ("listen", listen == next.listen), ("workers", workerCount == next.workerCount),
            ("journal.directory", journalDirectory == next.journalDirectory),
        ] where !isSame {
            throw ConfigurationError(description: "\(name) has changed: stop drover and start it anew")
        }
    }
}
