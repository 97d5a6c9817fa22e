package iotlab;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpSession;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.operaton.bpm.engine.IdentityService;
import org.operaton.bpm.engine.ProcessEngine;
import org.operaton.bpm.engine.ProcessEngineException;
import org.operaton.bpm.engine.identity.Group;
import org.operaton.bpm.webapp.impl.security.auth.AuthenticationUtil;
import org.operaton.bpm.webapp.impl.security.auth.Authentications;
import org.springframework.web.filter.OncePerRequestFilter;

/**
 * Who may reach what: without a login the pages' own files, their login with the list of engines that it asks for, and {@code
 * /healthz}; nothing else.
 *
 * <p>The engine's own filters leave more of both APIs open (its version, its password policy, the page that
 * makes the first user). Here the list is of what is open, so that a path that nobody thought of is closed.
 */
final class Guard extends OncePerRequestFilter {
    private static final Pattern HEALTH = Pattern.compile("/healthz");
    private static final Pattern REST = Pattern.compile("/engine-rest(/.*)?");
    private static final Pattern LOGIN = Pattern.compile("/camunda/api/admin/auth/user/default(/login/[a-z]+|/logout)?");
    private static final Pattern PAGES = Pattern.compile(
            "/|/favicon\\.ico|/camunda/?|/camunda/(app|lib|assets|plugin)/.*|/camunda/favicon\\.ico|/camunda/api/[a-z]+/plugin/[A-Za-z-]+/static/.*");
    private static final Pattern ENGINES = Pattern.compile("/camunda/api/engine/engine/"); // the login page asks: [{"name":"default"}]
    private static final Pattern FIRST_USER = Pattern.compile("/camunda/(api/admin|app/admin/[^/]+)/setup(/.*)?");
    private static final Pattern API = Pattern.compile("/camunda/api/.*");

    private final ProcessEngine engine;

    Guard(ProcessEngine engine) {
        this.engine = engine;
    }

    @Override
    protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        String path = request.getServletPath() + Optional.ofNullable(request.getPathInfo()).orElse("");
        if (is(HEALTH, path)) {
            health(response);
        } else if (is(REST, path)) {
            rest(request, response, chain);
        } else if (is(FIRST_USER, path)) {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
        } else if ("GET".equals(request.getMethod()) && is(ENGINES, path)) {
            chain.doFilter(request, response);
        } else if (is(LOGIN, path) || is(PAGES, path) || (is(API, path) && hasSession(request))) {
            chain.doFilter(request, response);
        } else {
            response.sendError(HttpServletResponse.SC_UNAUTHORIZED);
        }
    }

    private static boolean is(Pattern pattern, String path) {
        return pattern.matcher(path).matches();
    }

    /** A question to the database: a server whose engine hangs does not answer it. */
    private void health(HttpServletResponse response) throws IOException {
        engine.getRuntimeService().createExecutionQuery().executionId("none").count();
        response.setContentType("text/plain");
        response.getWriter().write("ok\n");
    }

    private static boolean hasSession(HttpServletRequest request) {
        HttpSession session = request.getSession(false);
        Authentications found = session == null ? null : AuthenticationUtil.getAuthsFromSession(session);
        return found != null && !found.getAuthentications().isEmpty();
    }

    private void rest(HttpServletRequest request, HttpServletResponse response, FilterChain chain) throws IOException, ServletException {
        IdentityService identity = engine.getIdentityService();
        Optional<String> user = user(identity, request.getHeader("Authorization"));
        if (user.isEmpty()) {
            response.setHeader("WWW-Authenticate", "Basic realm=\"iotlab\", charset=\"UTF-8\"");
            response.sendError(HttpServletResponse.SC_UNAUTHORIZED);
            return;
        }
        List<String> groups = identity.createGroupQuery().groupMember(user.get()).list().stream().map(Group::getId).toList();
        identity.setAuthentication(user.get(), groups, List.of());
        try {
            chain.doFilter(request, response);
        } finally {
            identity.clearAuthentication();
        }
    }

    /** The user of a Basic header whose password is right. */
    private static Optional<String> user(IdentityService identity, String header) {
        if (header == null || !header.regionMatches(true, 0, "Basic ", 0, 6)) {
            return Optional.empty();
        }
        try {
            String[] pair = new String(Base64.getDecoder().decode(header.substring(6).strip()), StandardCharsets.UTF_8).split(":", 2);
            return pair.length == 2 && identity.checkPassword(pair[0], pair[1]) ? Optional.of(pair[0]) : Optional.empty();
        } catch (IllegalArgumentException | ProcessEngineException refused) {
            return Optional.empty();
        }
    }
}
