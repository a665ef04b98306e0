/// What a change of credentials, of subjects or of who carries them means for the connections that are open.
import Tracking
import WebServer

extension Gateway {
    /// Joins the platform's credentials, where there are some, with the connections.
    func follow(_ credentials: PlatformCredentials) {
        credentials.inquiry.sources.redis = { [unowned self] in redis }
        credentials.isInUse = { [unowned self] in
            var ids: Set<String> = []
            server?.forEachConnection { connection in
                if let credential = (connection.session as? CredentialSession)?.credential { ids.insert(credential.id) }
            }
            return { ids.contains($0.id) }
        }
        credentials.onChange = { [unowned self] old, new, isShared in
            forEachSession(with: old, isShared) { $0.replace(by: new) }
        }
        credentials.onEnd = { [unowned self] credential, end in
            if !end.isShared { downloads.end(of: credential.id) }
            forEachSession(with: credential, end.isShared) { $0.end(hasExpired: end.hasExpired) }
        }
    }

    /// Ends what one of Drover's own credentials, which was revoked, holds open.
    func closeConnections(of credential: String) {
        downloads.end(of: credential)
        server?.forEachConnection { connection in
            if let session = connection.session as? CredentialSession, session.credential?.id == credential {
                session.end(hasExpired: false)
            }
        }
    }

    /// The subject's drivers, or those of any where it is nil, have changed: credentials that are limited to it may see
    /// less from now on.
    func reauthorize(_ subject: Subject?) {
        server?.forEachConnection { connection in
            guard let session = connection.session as? TrackSocket, let credential = session.credential,
                credential.party != .viewer, let scope = credential.scope, subject.map(scope.names) ?? true
            else { return }
            session.reauthorize()
        }
    }

    /// By the id, so that also whoever was let in by what was before the last change is found; where more credentials have
    /// the id, by the credential itself.
    private func forEachSession(with credential: Credential, _ isShared: Bool, _ body: (CredentialSession) -> Void) {
        server?.forEachConnection { connection in
            guard let session = connection.session as? CredentialSession, let own = session.credential else { return }
            if own === credential || (!isShared && own.id == credential.id) { body(session) }
        }
    }
}
