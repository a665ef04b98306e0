/// Does the harness tell the truth? The gateway is stopped for a second in mid-run; a generator that waits for answers
/// before it sends on would hide that (coordinated omission). This one must show it.
import Glibc
import LocalServers

struct HonestyScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    func run() throws {
        guard let process = stage.gateway?.processID else { return }
        report.progress("a stall of one second, on purpose …")
        var plan = FleetPlan()
        plan.drivers = 100
        plan.sockets = 100
        plan.pingsPerSecond = 1_000
        var stall: ChildProcess?
        let load = Load(.gateway(port: stage.port, token: stage.key), fleet: plan)
        let result = try load.run(warmUp: 1, seconds: 4) {
            guard stall == nil else { return }
            stall = try? ChildProcess(
                ["sh", "-c", "kill -STOP \(process); sleep 1; kill -CONT \(process)"], output: .discarded)
        }
        stall?.wait(.seconds(5))
        // A second out of four was stalled: the slowest of its pings waited for all of it, a fifth of all for some.
        report.reach("selftest.tail", "ms", result.acknowledged.milliseconds(99.9))
        report.reach("selftest.body", "ms", result.acknowledged.milliseconds(80))
    }
}
