/// What the connections of devices and of viewers have in common: a credential comes with the handshake or in the first
/// frame, within five seconds, is looked up before anything else happens, and ends the connection when it ends itself.
import EventLoop
import Tracking
import WebServer

/// A connection with a credential. Subclasses say what it may do.
class CredentialSession: WebSession {
    /// How long a client may take to log in, in milliseconds (API.md: 5 s).
    private static let loginMilliseconds = 5_000
    /// How long before its end a client is warned (API.md: `{"expiring":{"in_s":60}}`).
    private static let warning: Microseconds = 60_000_000

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
    /// Whose limits a wrong credential counts against.
    final var client: NetworkAddress?
    /// The credential once it was checked.
    private(set) final var credential: Credential?
    /// For the log-in, then for the credential's end.
    private final var timer: LoopTimer?

    init(_ connection: WebConnection, gateway: Gateway, token: PresentedToken) {
        self.gateway = gateway
        self.token = token
        super.init(connection, serial: gateway.nextSerial())
    }

    /// What the credential must permit.
    var permission: Permission { preconditionFailure("a subclass says what its credential must permit") }
    /// The first frame to the client; an empty one is not sent.
    var greeting: String { preconditionFailure("a subclass says how it greets") }
    /// The credential is good: `welcome(login)` when all is ready. Called again where a client renews it.
    func admit(_ credential: Credential, _ login: Login) {}
    /// The credential ends in so many seconds.
    func expiring(inSeconds seconds: Int64) {}
    /// The credential ends now; the close follows.
    func expired() {}
    /// The credential is another now: it permits more, or less, or until another time.
    func credentialChanged(from old: Credential) {}

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
            timer = LoopTimer(loop: gateway.loop) {
                gateway.server?.withConnection(number) { $0.close(code: 4401, reason: "no token within 5 s") }
            }
            timer?.start(afterMilliseconds: Self.loginMilliseconds)
        }
    }

    override func closed() {
        endTimer()
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
                        address: session.client, endpoint: "login", now: SystemClock.monotonicMicroseconds())
                    connection.close(code: 4401, reason: "the credential is unknown, expired or revoked")
                case .unavailable: connection.close(code: 1013, reason: "credentials cannot be checked now; retry")
                case .known(let credential):
                    guard credential.permissions.contains(session.permission) else {
                        return connection.close(
                            code: 4403, reason: "the credential lacks \(session.permission.rawValue)")
                    }
                    session.take(credential, login)
                }
            })
    }

    /// Takes a credential that was checked and has what is needed.
    final func take(_ credential: Credential, _ login: Login) {
        self.credential = credential
        endTimer()
        if credential.expiresAt != nil { watchExpiry() }
        guard connection.isOpen else { return }
        admit(credential, login)
    }

    /// Tells the client that it is in.
    final func welcome(_ login: Login) {
        isLoggingIn = false
        switch login {
        case .handshake: greet()
        case .frame(let id?):
            connection.sendQueued(text: Array("{\"id\":\(id),\(terms)}".utf8))
        case .frame(nil): break
        }
        warnSoon()
    }

    /// What the credential is good for, as members of a JSON object: its end in epoch milliseconds or null, and where it
    /// is limited to subjects, their names.
    final var terms: String {
        let end = credential?.expiresAt.map { String($0 / 1_000) } ?? "null"
        guard let scope = credential?.scope else { return "\"expires_at\":\(end)" }
        var names = JSONWriter()
        for (index, name) in scope.names.enumerated() {
            if index > 0 { names.raw(",") }
            names.string(name)
        }
        return "\"expires_at\":\(end),\"subjects\":[\(String(decoding: names.bytes, as: UTF8.self))]"
    }

    /// The platform's tables say something else of the credential now.
    final func replace(by new: Credential) {
        guard let old = credential, connection.isOpen else { return }
        guard new.permissions.contains(permission) else {
            return connection.close(code: 4403, reason: "the credential lacks \(permission.rawValue)")
        }
        guard new.party == old.party else {
            return connection.close(code: 1013, reason: "the credential stands for somebody else now; log in again")
        }
        credential = new
        endTimer()
        if new.expiresAt != nil { watchExpiry() }
        credentialChanged(from: old)
    }

    /// The credential is over: by its time, or because it was taken away.
    final func end(hasExpired: Bool) {
        guard connection.isOpen else { return }
        guard hasExpired else { return connection.close(code: 4403, reason: "the credential was revoked") }
        expired()
        connection.close(code: 4401, reason: "the session has ended")
    }

    private final func greet() {
        let greeting = greeting
        guard !greeting.isEmpty else { return }
        connection.sendQueued(text: Array(greeting.utf8))
    }

    // MARK: The end of a credential

    private final func watchExpiry() {
        let number = connection.number
        let gateway = gateway
        timer = LoopTimer(loop: gateway.loop) {
            gateway.server?.withConnection(number) { connection in
                (connection.session as? CredentialSession)?.expiryIsDue()
            }
        }
        guard let end = credential?.expiresAt else { return }
        startTimer(until: end - SystemClock.wallMicroseconds() > Self.warning ? end - Self.warning : end)
    }

    /// Who logs in within the last minute is warned at once.
    private final func warnSoon() {
        guard let end = credential?.expiresAt else { return }
        let left = end - SystemClock.wallMicroseconds()
        if left <= Self.warning { expiring(inSeconds: max(0, left / 1_000_000)) }
    }

    private final func expiryIsDue() {
        guard let end = credential?.expiresAt else { return }
        let left = end - SystemClock.wallMicroseconds()
        guard left <= 0 else {
            if left <= Self.warning { expiring(inSeconds: (left + 500_000) / 1_000_000) }
            return startTimer(until: left > Self.warning ? end - Self.warning : end)
        }
        self.end(hasExpired: true)
    }

    private final func startTimer(until instant: Microseconds) {
        let left = instant - SystemClock.wallMicroseconds()
        timer?.start(afterMilliseconds: Int(max(0, left) + 999) / 1_000)
    }

    private final func endTimer() {
        timer?.close()
        timer = nil
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
