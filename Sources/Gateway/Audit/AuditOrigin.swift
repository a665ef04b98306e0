/// Who changes something, and from where, for `api_audit_logs`. The row itself is written by the statement that makes the
/// change, so that there is never one without the other.
import Tracking
import WebServer

/// Who and from where.
struct AuditOrigin {
    /// The credential's id, or `cli`.
    let actor: String
    /// The address that the request came from; nil for the command line.
    let address: String?

    /// Somebody over the API.
    init(_ credential: Credential, _ request: WebRequest) {
        actor = credential.id
        address = request.peer
    }

    private init(actor: String) {
        self.actor = actor
        address = nil
    }

    /// Somebody at the command line of the gateway's machine.
    static let commandLine = AuditOrigin(actor: "cli")
}
