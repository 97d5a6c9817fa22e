package iotlab;

import static org.operaton.bpm.engine.authorization.Authorization.ANY;
import static org.operaton.bpm.engine.authorization.Authorization.AUTH_TYPE_GRANT;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.operaton.bpm.engine.AuthorizationService;
import org.operaton.bpm.engine.IdentityService;
import org.operaton.bpm.engine.ProcessEngine;
import org.operaton.bpm.engine.authorization.Authorization;
import org.operaton.bpm.engine.authorization.Groups;
import org.operaton.bpm.engine.authorization.Permission;
import org.operaton.bpm.engine.authorization.Permissions;
import org.operaton.bpm.engine.authorization.Resource;
import org.operaton.bpm.engine.authorization.Resources;
import org.operaton.bpm.engine.identity.Group;
import org.operaton.bpm.engine.identity.User;
import org.operaton.bpm.engine.impl.cfg.AbstractProcessEnginePlugin;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes users, groups and rights true at each start, before the first request is served.
 *
 * <p>Since there is an administrator, the engine's page that makes the first one refuses everybody. A password is that of the
 * Secret, whatever it was before. People that somebody made by hand are left alone.
 */
final class Accounts extends AbstractProcessEnginePlugin {
    private static final Logger LOG = LoggerFactory.getLogger(Accounts.class);
    private static final String TECHNICIANS = "technicians";
    private static final Map<Resource, Permission[]> WORKER = Map.of(
            Resources.PROCESS_DEFINITION,
            new Permission[] {
                Permissions.READ, Permissions.CREATE_INSTANCE, Permissions.READ_INSTANCE, Permissions.UPDATE_INSTANCE, Permissions.READ_HISTORY
            },
            Resources.PROCESS_INSTANCE, new Permission[] {Permissions.CREATE, Permissions.READ, Permissions.UPDATE});
    private static final Map<Resource, Permission[]> DEPLOYER = Map.of(
            Resources.PROCESS_DEFINITION, new Permission[] {Permissions.READ},
            Resources.DEPLOYMENT, new Permission[] {Permissions.CREATE, Permissions.READ});

    private record Account(String role, String password) {}

    private final Map<String, Account> accounts;

    private Accounts(Map<String, Account> accounts) {
        this.accounts = accounts;
    }

    /** `users` are `name=role` with a blank between; the file `name` in the folder `secrets` holds the password. */
    static Accounts of(String users, String secrets) {
        Map<String, Account> found = new LinkedHashMap<>();
        for (String word : users.trim().split("\\s+")) {
            String[] pair = word.split("=", 2);
            try {
                found.put(pair[0], new Account(pair[1], Files.readString(Path.of(secrets, pair[0])).strip()));
            } catch (IOException missing) {
                throw new UncheckedIOException("the password of " + pair[0] + " cannot be read from " + secrets, missing);
            }
            if (found.get(pair[0]).password().isEmpty()) {
                throw new IllegalStateException("the password of " + pair[0] + " in " + secrets + " is empty");
            }
        }
        return new Accounts(found);
    }

    @Override
    public void postProcessEngineBuild(ProcessEngine engine) {
        IdentityService identity = engine.getIdentityService();
        group(identity, Groups.OPERATON_ADMIN, "Administrators", Groups.GROUP_TYPE_SYSTEM);
        group(identity, TECHNICIANS, "Technicians", Groups.GROUP_TYPE_WORKFLOW);
        accounts.forEach((name, account) -> {
            user(identity, name, account.password());
            switch (account.role()) {
                case "admin" -> administrator(engine, name);
                case "worker" -> grant(engine.getAuthorizationService(), name, WORKER);
                case "deployer" -> grant(engine.getAuthorizationService(), name, DEPLOYER);
                default -> throw new IllegalStateException("the user " + name + " has the role " + account.role() + ", which is not known");
            }
        });
        LOG.info("users, groups and rights are as the chart says: {}", String.join(", ", accounts.keySet()));
    }

    private static void group(IdentityService identity, String id, String name, String type) {
        if (identity.createGroupQuery().groupId(id).count() == 0) {
            Group group = identity.newGroup(id);
            group.setName(name);
            group.setType(type);
            identity.saveGroup(group);
        }
    }

    private static void user(IdentityService identity, String name, String password) {
        User user = identity.createUserQuery().userId(name).singleResult();
        if (user == null) {
            user = identity.newUser(name);
            user.setFirstName(name);
            user.setLastName("iotlab");
        }
        user.setPassword(password);
        identity.saveUser(user);
        identity.unlockUser(name);
    }

    private static void administrator(ProcessEngine engine, String name) {
        for (String group : new String[] {Groups.OPERATON_ADMIN, TECHNICIANS}) {
            if (engine.getIdentityService().createGroupQuery().groupId(group).groupMember(name).count() == 0) {
                engine.getIdentityService().createMembership(name, group);
            }
        }
        AuthorizationService rights = engine.getAuthorizationService();
        for (Resource resource : Resources.values()) {
            if (rights.createAuthorizationQuery().groupIdIn(Groups.OPERATON_ADMIN).resourceType(resource).resourceId(ANY).count() == 0) {
                Authorization all = right(rights, resource, Permissions.ALL);
                all.setGroupId(Groups.OPERATON_ADMIN);
                rights.saveAuthorization(all);
            }
        }
    }

    /** Replaces what the user had: a right that a newer version no longer gives is gone after its start. */
    private static void grant(AuthorizationService rights, String name, Map<Resource, Permission[]> wanted) {
        rights.createAuthorizationQuery().userIdIn(name).list().stream()
                .filter(found -> wanted.keySet().stream().anyMatch(resource -> resource.resourceType() == found.getResourceType()))
                .forEach(found -> rights.deleteAuthorization(found.getId()));
        wanted.forEach((resource, permissions) -> {
            Authorization granted = right(rights, resource, permissions);
            granted.setUserId(name);
            rights.saveAuthorization(granted);
        });
    }

    private static Authorization right(AuthorizationService rights, Resource resource, Permission... permissions) {
        Authorization made = rights.createNewAuthorization(AUTH_TYPE_GRANT);
        made.setResource(resource);
        made.setResourceId(ANY);
        for (Permission permission : permissions) {
            made.addPermission(permission);
        }
        return made;
    }
}
