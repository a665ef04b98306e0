// What a supervisor decides, event by event.
import Testing

@testable import Gateway

@Suite struct WorkerPlanTests {
    /// A plan whose workers have all become ready at 0.
    private static func serving(_ count: Int) -> WorkerPlan {
        var plan = WorkerPlan(count: count)
        _ = plan.tick(now: 0)
        for worker in 0..<count { _ = plan.ready(worker, now: 0) }
        return plan
    }

    @Test func `all are started at once, and it is announced when the last is ready`() {
        var plan = WorkerPlan(count: 3)
        #expect(plan.tick(now: 0) == [.start(0), .start(1), .start(2)])
        // The first to be ready accepts for all, until each has its own.
        #expect(
            plan.ready(1, now: 0) == [
                .accept(worker: 1, socket: 0), .accept(worker: 1, socket: 1), .accept(worker: 1, socket: 2),
            ])
        #expect(
            plan.ready(0, now: 0) == [
                .accept(worker: 0, socket: 0), .leave(worker: 1, socket: 0), .accept(worker: 0, socket: 2),
                .leave(worker: 1, socket: 2),
            ])
        #expect(plan.ready(2, now: 0) == [.accept(worker: 2, socket: 2), .leave(worker: 0, socket: 2), .announce])
        #expect(plan.acceptors == [0, 1, 2])
    }

    @Test func `the next one accepts for one that died, which is started again after a pause`() {
        var plan = Self.serving(3)
        let actions = plan.ended(1, .signal(9), now: 500, chance: 1)
        #expect(actions == [.accept(worker: 2, socket: 1), .tellRestart(worker: 1, milliseconds: 100)])
        #expect(plan.tick(now: 599) == [])
        #expect(plan.nextDue == 600)
        #expect(plan.tick(now: 600) == [.start(1)])
        #expect(plan.ready(1, now: 700) == [.accept(worker: 1, socket: 1), .leave(worker: 2, socket: 1)])
        #expect(plan.restarts == [0, 1, 0])
    }

    @Test func `pauses double up to ten seconds, and are short again after ten seconds of service`() {
        var plan = Self.serving(2)
        var now: Int64 = 0
        var pauses: [Int64] = []
        for _ in 0..<9 {
            for case .tellRestart(_, let milliseconds) in plan.ended(0, .code(1), now: now, chance: 1) {
                pauses.append(milliseconds)
            }
            now += 20_000
            #expect(plan.tick(now: now) == [.start(0)])
        }
        #expect(pauses == [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000])
        _ = plan.ready(0, now: now)
        let proven = plan.ended(0, .code(1), now: now + 10_000, chance: 1)
        #expect(proven.contains(.tellRestart(worker: 0, milliseconds: 100)))
    }

    @Test(arguments: [0.0, 0.5, 1.0])
    func `a pause is between its half and its whole`(chance: Double) throws {
        var plan = Self.serving(2)
        _ = plan.ended(0, .code(1), now: 1_000, chance: chance)
        #expect(try #require(plan.nextDue) == 1_050 + Int64(chance * 50))
    }

    @Test func `a start that fails again and again ends it with the worker's exit code`() {
        var plan = WorkerPlan(count: 2)
        var now: Int64 = 0
        _ = plan.tick(now: now)
        _ = plan.ready(1, now: now)
        for _ in 0..<5 {
            #expect(!plan.ended(0, .code(74), now: now, chance: 0).contains(.tellGivenUp(worker: 0)))
            now += 20_000
            _ = plan.tick(now: now)
        }
        let actions = plan.ended(0, .code(74), now: now, chance: 0)
        #expect(actions.suffix(2) == [.tellGivenUp(worker: 0), .terminate(1)])
        #expect(plan.ended(1, .code(0), now: now, chance: 0) == [.exit(74)])
    }

    @Test func `workers are replaced one by one, each once the one before is ready`() {
        var plan = Self.serving(2)
        #expect(plan.roll(all: 0) == [.accept(worker: 1, socket: 0), .terminate(0)])
        #expect(plan.stopping(0, now: 1) == [])
        #expect(plan.ended(0, .code(0), now: 2, chance: 0) == [.start(0)])
        let second = plan.ready(0, now: 3)
        #expect(
            second == [
                .accept(worker: 0, socket: 0), .leave(worker: 1, socket: 0), .accept(worker: 0, socket: 1),
                .terminate(1),
            ])
        #expect(plan.ended(1, .code(0), now: 4, chance: 0) == [.start(1)])
        #expect(
            plan.ready(1, now: 5) == [.accept(worker: 1, socket: 1), .leave(worker: 0, socket: 1), .tellRolled])
        #expect(plan.restarts == [0, 0])
    }

    @Test func `a roll that meets a worker that does not start stops there`() {
        var plan = Self.serving(3)
        _ = plan.roll(all: 0)
        _ = plan.ended(0, .code(0), now: 1, chance: 0)
        let actions = plan.ended(0, .code(1), now: 2, chance: 0)
        #expect(actions == [.tellRestart(worker: 0, milliseconds: 100), .tellRollHalted(worker: 0)])
        _ = plan.tick(now: 1_000)
        #expect(plan.ready(0, now: 1_001) == [.accept(worker: 0, socket: 0), .leave(worker: 1, socket: 0)])
        #expect(plan.phases[1] == .ready(since: 0))
    }

    @Test func `a second SIGHUP during a roll replaces all once more`() {
        var plan = Self.serving(2)
        _ = plan.roll(all: 0)
        #expect(plan.roll(all: 1) == [])
        var order: [Int] = []
        var pending = plan.ended(0, .code(0), now: 2, chance: 0)
        while let action = pending.popLast() {
            switch action {
            case .start(let worker):
                order.append(worker)
                pending += plan.ready(worker, now: 3)
            case .terminate(let worker): pending += plan.ended(worker, .code(0), now: 3, chance: 0)
            default: break
            }
        }
        #expect(order == [0, 0, 1])
    }

    @Test func `the end is passed on to all, and who does not listen is ended`() {
        var plan = Self.serving(2)
        _ = plan.ended(1, .code(1), now: 0, chance: 1)
        #expect(plan.terminate(now: 10) == [.terminate(0)])
        #expect(plan.tick(now: 200) == [])
        #expect(plan.tick(now: 12_010) == [.kill(0)])
        #expect(plan.ended(0, .signal(9), now: 12_011, chance: 0) == [.exit(1)])
    }

    @Test func `all ended in order is exit code 0, a second signal is 1`() {
        var plan = Self.serving(2)
        #expect(plan.terminate(now: 0) == [.terminate(0), .terminate(1)])
        #expect(plan.ended(0, .code(0), now: 1, chance: 0) == [])
        #expect(plan.ended(1, .code(0), now: 1, chance: 0) == [.exit(0)])
        plan = Self.serving(2)
        _ = plan.terminate(now: 0)
        #expect(plan.terminate(now: 1) == [.kill(0), .kill(1)])
        #expect(plan.terminate(now: 2) == [])
        _ = plan.ended(0, .signal(9), now: 3, chance: 0)
        #expect(plan.ended(1, .signal(9), now: 3, chance: 0) == [.exit(1)])
    }

    @Test func `one that ends by itself is relieved before it is gone`() {
        var plan = Self.serving(2)
        #expect(plan.stopping(0, now: 0) == [.accept(worker: 1, socket: 0)])
        #expect(plan.ended(0, .code(0), now: 1, chance: 0) == [.tellRestart(worker: 0, milliseconds: 100)])
    }

    @Test func `alone there is nobody to accept meanwhile`() {
        var plan = Self.serving(1)
        #expect(plan.roll(all: 0) == [.terminate(0)])
        #expect(plan.ended(0, .code(0), now: 1, chance: 0) == [.start(0)])
        #expect(plan.ready(0, now: 2) == [.accept(worker: 0, socket: 0), .tellRolled])
    }
}
