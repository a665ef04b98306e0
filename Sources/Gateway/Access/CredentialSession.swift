/// What the WebSockets of devices and of viewers have in common: a credential comes with the handshake or in the first
/// frame, within five seconds, and is looked up before anything else happens.
import EventLoop
import Tracking
import WebServer

/// A WebSocket with a credential. Subclasses say what it may do.
class CredentialSession: WebSession {
    /// How long a client may take to log in, in milliseconds (API.md: 5 s).
    private static let loginMilliseconds = 5_000

    /// How a token came.
    enum Login {
        case handshake
        /// In a frame, with this `id` if it had one.
        case frame(id: Int64?)
    }

    /// Outlives the server and thus every session of it, so an unchecked reference is sound.
    final unowned(unsafe) let gateway: Gateway
    /// From the handshake, until it was looked at: a token is not kept.
    private final var token: PresentedToken
    /// The credential's id once it was checked.
    private(set) final var credentialID: String?
    private final var loginTimer: LoopTimer?

    init(_ connection: WebConnection, gateway: Gateway, token: PresentedToken) {
        self.gateway = gateway
        self.token = token
        super.init(connection, serial: gateway.nextSerial())
    }

    /// What the credential must permit.
    var permission: Permission { preconditionFailure("a subclass says what its credential must permit") }
    /// The first frame to the client.
    var greeting: String { preconditionFailure("a subclass says how it greets") }
    /// The credential is good: `welcome(login)` when all is ready.
    func admit(_ credential: Credential, _ login: Login) {}

    /// Whether a token is there or being looked up: frames wait then. Without one the first frame must bring it.
    private(set) final var isLoggingIn = false

    override final func opened() {
        guard gateway.isAccepting else { return connection.close(code: 1001, reason: "shutting down") }
        let presented = token
        token = .none
        switch presented {
        case .one(let token): logIn(token, .handshake)
        case .conflicting: connection.close(code: 4401, reason: "two credentials that differ")
        case .none:
            greet()
            let number = connection.number
            let gateway = gateway
            // The timer goes with the session, and the connection outlives that.
            loginTimer = LoopTimer(loop: gateway.loop) {
                gateway.server?.withConnection(number) { $0.close(code: 4401, reason: "no token within 5 s") }
            }
            loginTimer?.start(afterMilliseconds: Self.loginMilliseconds)
        }
    }

    override func closed() {
        endLogin()
    }

    /// Looks a token up; `admit` follows, or a close.
    final func logIn(_ token: String, _ login: Login) {
        isLoggingIn = true
        gateway.access.authenticate(
            token,
            then: later { (session: CredentialSession, result) in
                let connection = session.connection
                switch result {
                case .refused:
                    session.gateway.limits.failed(
                        address: connection.peer, endpoint: "login", now: SystemClock.monotonicMicroseconds())
                    connection.close(code: 4401, reason: "the credential is unknown, expired or revoked")
                case .unavailable: connection.close(code: 1013, reason: "credentials cannot be checked now; retry")
                case .known(let credential):
                    guard credential.permissions.contains(session.permission) else {
                        return connection.close(
                            code: 4403, reason: "the credential lacks \(session.permission.rawValue)")
                    }
                    session.credentialID = credential.id
                    session.endLogin()
                    session.admit(credential, login)
                }
            })
    }

    /// Tells the client that it is in.
    final func welcome(_ login: Login) {
        isLoggingIn = false
        switch login {
        case .handshake: greet()
        case .frame(let id?): connection.sendQueued(text: Array("{\"id\":\(id),\"expires_at\":null}".utf8))
        case .frame(nil): break
        }
    }

    private final func greet() {
        connection.sendQueued(text: Array(greeting.utf8))
    }

    private final func endLogin() {
        loginTimer?.close()
        loginTimer = nil
    }

    /// A closure for when a store has answered: it runs where this session is still there then. It holds numbers instead
    /// of a weak reference, which would slow every later reference count of the session down and keep memory for it.
    final func later<Session: CredentialSession, Value>(
        _ body: @escaping (Session, Value) -> Void
    ) -> (Value) -> Void {
        let number = connection.number
        let serial = serial
        let gateway = gateway
        return { value in
            gateway.server?.withConnection(number) { connection in
                guard connection.isOpen, let session = connection.session as? Session, session.serial == serial
                else { return }
                body(session, value)
            }
        }
    }
}
