/// Provisioning as a job of the maintenance.
import Logging
import PostgresClient

extension MaintenanceJob {
    /// At the start, and every ten minutes, since somebody may have made a table anew without its trigger.
    static func provisioning(_ configuration: Configuration) -> MaintenanceJob {
        MaintenanceJob(name: "provisioning", interval: 600_000_000) { session in
            do {
                let notices = try Provisioning(session.configuration, cutOff: session.cutOff).run()
                for notice in notices {
                    session.log.warning("the platform's database", metadata: ["problem": "\(notice)"])
                }
            } catch let error as PostgresError where error.kind == .connection {
                // Another database than the one whose connection the worker would throw away for this kind.
                throw PostgresError(.transient, error.message, advice: error.advice)
            }
            return false
        }
    }
}
