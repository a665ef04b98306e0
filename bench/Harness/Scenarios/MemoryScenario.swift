/// Memory: what an idle viewer takes, by the growth of a fresh gateway while they come.
import Glibc
import LocalServers

struct MemoryScenario {
    let stage: Stage
    let report: Report
    let options: RunOptions

    func run() throws {
        let entrance = DroverSocket(port: stage.port, token: stage.key)
        guard let process = stage.gateway?.processID else { return }
        report.progress("idle viewers …")
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        let audience = AudiencePlan(viewers: options.idleViewers, driversPerViewer: 1)
        let drivers = max(1, options.idleViewers / 10)
        // A tenth comes first: tables and arenas that a gateway has once are not a viewer's.
        for viewer in 0..<drivers {
            sockets.append(try entrance.openViewer(drivers: audience.drivers(of: viewer, among: drivers)))
        }
        let before = MemoryUsage(process)
        for viewer in 0..<options.idleViewers {
            sockets.append(try entrance.openViewer(drivers: audience.drivers(of: viewer, among: drivers)))
        }
        let after = MemoryUsage(process)
        let count = Double(options.idleViewers)
        report.reach("viewer.memory", "KB", Double(after.residentKiB - before.residentKiB) * 1.024 / count)
        report.add(
            "idle viewer", "proportional memory (Pss)", "KB",
            Double(after.proportionalKiB - before.proportionalKiB) * 1.024 / count)
        let usage = ProcessUsage(process).seconds
        _ = poll(nil, 0, 5_000)
        report.add(
            "idle viewer", "CPU of all, part of a core", "%", (ProcessUsage(process).seconds - usage) / 5 * 100)
    }
}
